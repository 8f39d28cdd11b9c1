"""What came of an apply, and what follows from it: receipts, retirement, roll-back, who approved."""
