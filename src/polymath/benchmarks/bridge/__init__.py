"""BridgeData V2's robot in simulation: SIMPLER's WidowX tasks by their official environments."""
