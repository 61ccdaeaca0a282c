"""Pruned networks trained side by side: methods compared, masks audited."""
