"""Polymath-V: build, train, evaluate and serve a vision-language-action model."""
