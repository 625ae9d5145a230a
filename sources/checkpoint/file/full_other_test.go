//go:build !linux

package file

// full is for linux, where the size of files can be limited.
func full(string) int { return 1 }
