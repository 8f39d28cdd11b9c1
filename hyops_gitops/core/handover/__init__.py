"""What is handed over whole: the bundle, and the folder for an auditor."""
