"""AWS's vocabulary and wire formats. The only importer of botocore."""
