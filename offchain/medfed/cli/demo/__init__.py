"""`medfed demo`: a real federated study on real patients' data, from deployment to audit."""
