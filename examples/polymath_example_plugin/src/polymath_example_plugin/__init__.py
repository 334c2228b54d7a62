"""A worked example of a package that extends Polymath-V; copy it and replace its parts."""
