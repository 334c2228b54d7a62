"""Preparation: any sources in; validated, filtered, tokenised and packed sequences in ArrayRecord shards out."""
