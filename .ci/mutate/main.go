// Command mutate writes all mutants of .ci/mutants.txt into one build: each function that
// some of them change has a copy for each, and begins by calling the one that the
// environment variable OPENESM_MUTANT names.
//
// Its argument is a folder with one for each mutant, with files "file", "-" and "+". It
// writes the overlay of that build to the file "overlay". A mutant that changes something
// else than the body of a function gets an overlay of its own, in its folder; one that
// cannot be applied a file "error".
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// chosen is the variable that each package with mutants gets.
const chosen = "mutantChosen"

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// mutant is one change: the text old stands once in a file, and new takes its place.
type mutant struct {
	folder, name, old, new string
}

func run(work string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	folders, err := filepath.Glob(filepath.Join(work, "*", "file"))
	if err != nil {
		return err
	}
	changed := make(map[string][]mutant) // by file
	for _, path := range folders {
		folder := filepath.Dir(path)
		name := read(path)
		changed[name] = append(changed[name], mutant{
			folder: folder, name: filepath.Base(folder), old: read(filepath.Join(folder, "-")), new: read(filepath.Join(folder, "+")),
		})
	}
	overlay := make(map[string]string)
	for i, name := range slices.Sorted(maps.Keys(changed)) {
		s, err := parse(read(name))
		if err != nil {
			return err
		}
		for _, m := range changed[name] {
			if err := s.add(m, filepath.Join(root, name)); err != nil {
				return err
			}
		}
		own := filepath.Join(work, strconv.Itoa(i)+".go")
		overlay[filepath.Join(root, name)] = own
		if err := write(own, s.String()); err != nil {
			return err
		}
		variable := filepath.Join(work, strconv.Itoa(i)+"_chosen.go")
		overlay[filepath.Join(root, filepath.Dir(name), "mutant_chosen.go")] = variable
		err = write(variable, fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar %s = os.Getenv(\"OPENESM_MUTANT\")\n", s.file.Name.Name, chosen))
		if err != nil {
			return err
		}
	}
	return replace(filepath.Join(work, "overlay"), overlay)
}

// read is a file's text without line ends behind it; a file that is not there is empty.
func read(path string) string {
	text, _ := os.ReadFile(path) //nolint:errcheck,gosec // a "+" may be missing; a file of the repository
	return strings.TrimRight(string(text), "\n")
}

func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// replace writes an overlay.
func replace(path string, files map[string]string) error {
	text, err := json.Marshal(map[string]any{"Replace": files})
	if err != nil {
		return err
	}
	return write(path, string(text))
}

// source is a file with the mutants of its functions.
type source struct {
	text    string
	file    *ast.File
	files   *token.FileSet
	edits   map[int]string // what is put in, by place
	cuts    map[int]int    // how much is left out there
	choices map[*ast.FuncDecl]string
	copies  []string
}

func parse(text string) (*source, error) {
	s := &source{text: text, files: token.NewFileSet(), edits: make(map[int]string), cuts: make(map[int]int), choices: make(map[*ast.FuncDecl]string)}
	var err error
	s.file, err = parser.ParseFile(s.files, "", text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

func (s *source) at(p token.Pos) int { return s.files.Position(p).Offset }

// add takes a mutant up, or writes that it is one of its own, or none.
func (s *source) add(m mutant, path string) error {
	if strings.Count(s.text, m.old) != 1 {
		return write(filepath.Join(m.folder, "error"), "the old text is not found exactly once in "+path+"\n")
	}
	begin := strings.Index(s.text, m.old)
	mutated := s.text[:begin] + m.new + s.text[begin+len(m.old):]
	f := s.function(begin, begin+len(m.old))
	if f == nil || !s.choose(f, m, mutated) {
		own := filepath.Join(m.folder, "mutated.go")
		if err := write(own, mutated+"\n"); err != nil {
			return err
		}
		return replace(filepath.Join(m.folder, "overlay"), map[string]string{path: own})
	}
	return nil
}

// function is the one in which a part of the text stands, if it can be called by another.
func (s *source) function(begin, end int) *ast.FuncDecl {
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Body != nil && s.at(f.Body.Lbrace) < end && s.at(f.Pos()) <= begin && end <= s.at(f.End()) && f.Name.Name != "init" && !recovers(f.Body) {
			return f
		}
	}
	return nil
}

// recovers reports whether a function itself calls recover, which does nothing one call deeper.
func recovers(body *ast.BlockStmt) (is bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		_, literal := n.(*ast.FuncLit)
		name, ok := n.(*ast.Ident)
		is = is || ok && name.Name == "recover"
		return !literal
	})
	return is
}

// choose has a function call its copy of the mutated text if that mutant is chosen.
func (s *source) choose(f *ast.FuncDecl, m mutant, mutated string) bool {
	other, err := parse(mutated)
	if err != nil {
		return false
	}
	var g *ast.FuncDecl
	for _, d := range other.file.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && other.at(d.Pos()) == s.at(f.Pos()) {
			g = d
		}
	}
	if g == nil || s.text[s.at(f.Pos()):s.at(f.Body.Lbrace)] != mutated[other.at(g.Pos()):other.at(g.Body.Lbrace)] || len(other.file.Decls) != len(s.file.Decls) {
		return false
	}
	name := f.Name.Name + "Mutant" + strings.ReplaceAll(m.name, "-", "_")
	s.copies = append(s.copies, mutated[other.at(g.Pos()):other.at(g.Name.Pos())]+name+mutated[other.at(g.Name.End()):other.at(g.End())])
	call := s.call(f, name)
	if f.Type.Results != nil {
		call = "return " + call
	} else {
		call += "; return"
	}
	s.choices[f] += fmt.Sprintf("case %q: %s\n", m.name, call)
	return true
}

// call is a call of a function's copy with all that the function got; its receiver and
// parameters get names where they have none.
func (s *source) call(f *ast.FuncDecl, name string) string {
	if f.Recv != nil {
		name = s.names(f.Recv, "receiver")[0] + "." + name
	}
	if f.Type.TypeParams != nil {
		name += "[" + strings.Join(s.names(f.Type.TypeParams, "type"), ", ") + "]"
	}
	arguments := strings.Join(s.names(f.Type.Params, "parameter"), ", ")
	if n := len(f.Type.Params.List); n > 0 {
		if _, ok := f.Type.Params.List[n-1].Type.(*ast.Ellipsis); ok {
			arguments += "..."
		}
	}
	return name + "(" + arguments + ")"
}

// names are those of fields.
func (s *source) names(list *ast.FieldList, kind string) (all []string) {
	for _, field := range list.List {
		if len(field.Names) == 0 {
			all = append(all, s.rename(field.Type.Pos(), 0, kind, len(all)))
		}
		for _, n := range field.Names {
			if n.Name == "_" {
				all = append(all, s.rename(n.Pos(), 1, kind, len(all)))
			} else {
				all = append(all, n.Name)
			}
		}
	}
	return all
}

// rename puts a new name in the place of so many bytes.
func (s *source) rename(p token.Pos, length int, kind string, n int) string {
	name := "mutant" + kind + strconv.Itoa(n)
	s.edits[s.at(p)], s.cuts[s.at(p)] = name+" ", length
	return name
}

// String is the text with all mutants.
func (s *source) String() string {
	for f, cases := range s.choices {
		s.edits[s.at(f.Body.Lbrace)+1] = "\nswitch " + chosen + " {\n" + cases + "}\n"
	}
	text := s.text
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(s.edits))) {
		text = text[:at] + s.edits[at] + text[at+s.cuts[at]:]
	}
	return text + "\n\n" + strings.Join(s.copies, "\n\n") + "\n"
}
