"""From recorded, desired and observed zones to a plan, or to refusals."""
