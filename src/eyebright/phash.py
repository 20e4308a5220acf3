"""Perceptual hashes: pictures that look the same have hashes that differ in few bits."""
