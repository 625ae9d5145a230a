package facts_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const folder = "esm/facts"

var (
	// A fact is a row of a table that begins with its id, or a document below a line that does.
	definition = regexp.MustCompile(`(?m)^(?:\| *)?([A-Z]+-?[0-9]+[a-z]?)(?: *\||, )`)
	// An id stands alone (KIN-66), or in a name (TestShare_KIN66_P5).
	citation = regexp.MustCompile(`(?:^|[^A-Za-z0-9.])([A-Z]+-?[0-9]+[a-z]?)`)
)

// others begin names that look like ids and are not: UTF-8, P-256.
var others = []string{"UTF-", "SHA-", "KIP-", "SECRET-", "US-", "P-", "FNV-"}

// facts are the files that define ids, by the id with its dash and without it, and what
// is wrong with them.
func facts(repository fs.FS) (defined map[string]string, wrong []string) {
	defined = make(map[string]string)
	files, err := fs.Glob(repository, folder+"/*.md")
	if err != nil || len(files) == 0 {
		return nil, []string{fmt.Sprintf("%s has no files: %v", folder, err)}
	}
	for _, file := range files {
		text, err := fs.ReadFile(repository, file)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for _, match := range definition.FindAllSubmatch(text, -1) {
			id := string(match[1])
			if first, twice := defined[id]; twice {
				wrong = append(wrong, fmt.Sprintf("%s: %s is defined in %s already: give it the next free number", file, id, first))
			}
			defined[id], defined[strings.ReplaceAll(id, "-", "")] = file, file
		}
	}
	return defined, wrong
}

// cited calls yield with each id that a text cites. What looks like one and has none of
// the prefixes is taken for one if it has a dash.
func cited(text string, prefixes map[string]bool, yield func(id string, at int)) {
	for _, match := range citation.FindAllStringSubmatchIndex(text, -1) {
		id := text[match[2]:match[3]]
		prefix := prefixOf(id)
		inWord := match[3] < len(text) && isLetter(text[match[3]])
		if !inWord && (prefixes[prefix] || strings.HasSuffix(prefix, "-") && !slices.Contains(others, prefix)) {
			yield(id, match[2])
		}
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// prefixOf is what stands before the number, with the dash.
func prefixOf(id string) string { return id[:strings.IndexAny(id, "0123456789")] }

// violations is every id that is defined twice or cited without being defined, and where.
func violations(repository fs.FS) []string {
	defined, wrong := facts(repository)
	prefixes := make(map[string]bool)
	for id := range defined {
		prefixes[prefixOf(id)] = true
	}
	err := fs.WalkDir(repository, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".git" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !mayCite(name):
			return nil
		}
		text, err := fs.ReadFile(repository, name)
		cited(string(text), prefixes, func(id string, at int) {
			if _, ok := defined[id]; !ok {
				line := 1 + strings.Count(string(text[:at]), "\n")
				wrong = append(wrong, fmt.Sprintf("%s:%d: %s is not in %s", name, line, id, folder))
			}
		})
		return err
	})
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// mayCite reports whether a file's citations must exist. The ids of this test do not.
func mayCite(name string) bool {
	switch path.Ext(name) {
	case ".go":
		return name != folder+"/facts_test.go"
	case ".md":
		return true
	}
	return name == ".ci/mutants.txt"
}

func TestCitedFactsExist(t *testing.T) {
	t.Parallel()
	repository := os.DirFS("../..")
	for _, v := range violations(repository) {
		t.Error(v)
	}
	defined, _ := facts(repository)
	for p := 1; p <= 16; p++ {
		if _, ok := defined[fmt.Sprintf("P%d", p)]; !ok {
			t.Errorf("promises.md lacks P%d", p)
		}
	}
	if len(defined) < 2000 { // each in two forms
		t.Errorf("%d facts found: is a row still | ID | text | source |?", len(defined)/2)
	}
}

// TestViolationsAreSeen holds the test above to its work.
func TestViolationsAreSeen(t *testing.T) {
	t.Parallel()
	const table = "| id | fact | source |\n| --- | --- | --- |\n| SQS-01 | one | DG |\n| P1 | two | DG |\n\nSQS-02a, a document:\n"
	for name, c := range map[string]struct {
		file, text string
		want       int
	}{
		"all there":                {"a.go", "// Holds SQS-01 and SQS-02a (P1), by TestX_SQS01_P1, in UTF-8 with SHA256 on P-256: elliptic.P256.", 0},
		"unknown number":           {"a.go", "// SQS-02", 1},
		"unknown number in a name": {"sources/a_test.go", "func TestX_SQS02_P1(", 1},
		"unknown promise":          {"README.md", "(P2)", 1},
		"unknown prefix":           {"a.go", "// SQQ-01", 1},
		"another number of digits": {"a.go", "// SQS-1", 1},
		"another letter":           {"a.go", "// SQS-02b", 1},
		"twice":                    {folder + "/b.md", "| SQS-01 | again | DG |", 1},
		"cited by a fact":          {folder + "/b.md", "| SQS-03 | as SQS-04 | DG |", 1},
		"no document":              {"testdata/a.go", "SQS-02", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repository := fstest.MapFS{folder + "/a.md": {Data: []byte(table)}, c.file: {Data: []byte(c.text)}}
			if wrong := violations(repository); len(wrong) != c.want {
				t.Errorf("%d violations and not %d: %q", len(wrong), c.want, wrong)
			}
		})
	}
}
