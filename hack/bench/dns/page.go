package main
func renderFile(from, out string) error { return nil }
