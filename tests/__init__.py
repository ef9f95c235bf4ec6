"""Tests of mailguard."""
