"""Auto Scaling: groups of instances that replace themselves and follow what they are told, or what is measured."""
