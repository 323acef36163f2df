"""The version, where every module can read it; `smalti.__version__` is the public name."""

__all__ = ["__version__"]

__version__ = "0.1.0"
