"""What a party could try in order to use a record against what its patient was shown."""
