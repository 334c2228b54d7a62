"""From a trained run to a policy: Observation in, ActionChunk out."""
