"""What goes wrong in a campaign: functions that apply once while something lasts, by where it happens."""
