// Package facts is for its files: the numbered facts, with their sources, and the
// promises that comments and tests cite. Package esm says what the ids are. There is no
// code here but the test that holds citations to the files.
package facts
