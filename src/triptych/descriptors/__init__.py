"""What a clip is by hand-made rules: dense trajectories and what is made of them."""
