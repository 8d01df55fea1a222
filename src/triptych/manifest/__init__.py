"""Video files to manifest: what there is, cut into clips, with the words spoken in each."""
