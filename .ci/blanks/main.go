// Command blanks holds the one white-space style: inside a function a blank line
// stands only before a comment, which says what the lines after it do. With -w it
// takes the others out, without it names them and fails.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	write := flag.Bool("w", false, "take the blank lines out")
	flag.Parse()
	found := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		n, err := check(path, *write)
		found += n
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if found > 0 && !*write {
		fmt.Fprintf(os.Stderr, "%d blank lines inside functions that no comment follows; take them out, or say what the next lines do\n", found)
		os.Exit(1)
	}
}

// check finds the blank lines of one file that do not belong there.
func check(path string, write bool) (int, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
	if err != nil {
		return 0, err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(text), "\n")
	var blank []int // line numbers, from 0
	line := func(p token.Pos) int { return files.Position(p).Line - 1 }
	between := func(list []ast.Stmt) {
		for i := 1; i < len(list); i++ {
			for at := line(list[i-1].End()) + 1; at < line(list[i].Pos()); at++ {
				if strings.TrimSpace(lines[at]) == "" && !strings.HasPrefix(strings.TrimSpace(lines[at+1]), "/") && !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "//") {
					blank = append(blank, at)
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			between(n.List)
		case *ast.CaseClause:
			between(n.Body)
		case *ast.CommClause:
			between(n.Body)
		}
		return true
	})
	if len(blank) == 0 {
		return 0, nil
	}
	if !write {
		for _, at := range blank {
			fmt.Printf("%s:%d: blank line\n", path, at+1)
		}
		return len(blank), nil
	}
	slices.Sort(blank)
	for _, at := range slices.Backward(blank) {
		lines = slices.Delete(lines, at, at+1)
	}
	return len(blank), os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644) //nolint:gosec // source code
}
