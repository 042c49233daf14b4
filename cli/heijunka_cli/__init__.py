"""Heijunka's command line: parse, call the library, render. Nothing else imports it."""
