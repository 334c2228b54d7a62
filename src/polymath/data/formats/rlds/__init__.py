"""RLDS data sets without TensorFlow: schema, records, field maps and the reader."""
