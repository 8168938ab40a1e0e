"""What a participant does with a round: its cohort, recomputing, attesting, settling, auditing. Shared by hospital
and auditor."""
