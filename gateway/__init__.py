"""Report Chat Gateway: the process between a report and a model."""

from importlib import metadata

try:
    __version__ = metadata.version("report-chat-gateway")
except metadata.PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"
