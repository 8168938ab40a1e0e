"""Models, local training, the model step and evaluation. Knows nothing of chains, files or networks.

Only `train`, and what trains with it (`compare`, `simulate`), imports torch.
"""
