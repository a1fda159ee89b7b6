"""The services: a folder each, found by itself. One resource, one file; nothing here touches the host."""
