"""Where every weight, statistic and activation lives: the mesh, one table of rules, and what follows from the two."""
