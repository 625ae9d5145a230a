// Command sleeps finds tests that wait for the clock of the real world: time.Sleep,
// time.After, time.Tick and timers in a _test.go file, outside of a bubble of
// testing/synctest. A test that waits so is slow, or depends on how fast its machine is.
//
// A function runs in a bubble if it is handed to synctest.Test, or to a function that hands
// on to it what it gets, or stands in a variable or a table of a test that has a bubble.
// Everything else that a test calls is followed, but for calls of interfaces. Benchmarks
// live in real time, and tests of real servers, in files whose names begin with real. Any
// other line that must wait says why, on it or above, behind "real time: ".
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// waits are the functions of package time that wait, or have one wait.
var waits = []string{"Sleep", "After", "Tick", "NewTimer", "NewTicker"}

// roots are what the names of functions begin with that go test calls.
var roots = []string{"Test", "Fuzz", "Example"}

const excuse = "real time: "

func main() {
	found, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if found > 0 {
		fmt.Fprintf(os.Stderr, "%d waits for the real clock in tests; wait in a bubble, or for what is to come, or say why behind %q\n", found, "// "+excuse)
		os.Exit(1)
	}
}

func run() (found int, err error) {
	all, err := list()
	if err != nil {
		return 0, err
	}
	c := &checker{files: token.NewFileSet(), exports: make(map[string]string)}
	var own []*pack
	for _, p := range all {
		c.exports[p.ImportPath] = p.Export
		if p.Standard || p.Module == nil || !p.Module.Main || strings.HasSuffix(p.ImportPath, ".test") {
			continue
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return 0, err
			}
			p.syntax = append(p.syntax, file)
		}
		own = append(own, p)
	}
	c.makers, c.openers = makersOf(own)
	for _, p := range own {
		if p.ForTest == "" {
			continue
		}
		n, err := c.check(p)
		if err != nil {
			return 0, err
		}
		found += n
	}
	return found, nil
}

// pack is a package as go list describes it. Those with tests come with ForTest.
type pack struct {
	ImportPath, Dir, ForTest, Export string
	GoFiles                          []string
	ImportMap                        map[string]string
	Standard                         bool
	Module                           *struct{ Main bool }

	syntax []*ast.File
}

// list asks for the packages of the module, what they import, and their tests.
func list() (all []*pack, err error) {
	command := exec.Command("go", "list", "-tags", "synctests", "-test", "-export", "-deps",
		"-json=ImportPath,Dir,ForTest,Export,GoFiles,ImportMap,Standard,Module", "./...")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pack)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// makersOf are the functions, as package.name, that hand a function they get to
// synctest.Test, or to another one of them; those of packages that support tests may get it
// as part of something. Openers are all functions that have bubbles, of their own or of
// others that they call.
func makersOf(packs []*pack) (makers, openers map[string]bool) {
	makers, openers = map[string]bool{"synctest.Test": true}, map[string]bool{"synctest.Test": true}
	for grown := true; grown; {
		grown = false
		for _, p := range packs {
			for f := range p.functions() {
				name := p.name() + "." + f.Name.Name
				if f.Recv != nil || openers[name] && makers[name] {
					continue
				}
				if !openers[name] && callsOneOf(f.Body, p.name(), openers) {
					openers[name], grown = true, true
				}
				if !makers[name] && (p.ForTest == "" || takesFunction(f)) && callsOneOf(f.Body, p.name(), makers) {
					makers[name], grown = true, true
				}
			}
		}
	}
	return makers, openers
}

// name is the last element of a package's path, of its tests' too.
func (p *pack) name() string { return path.Base(p.Dir) }

// functions are those of a package that have a body.
func (p *pack) functions() func(yield func(*ast.FuncDecl) bool) {
	return func(yield func(*ast.FuncDecl) bool) {
		for _, file := range p.syntax {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && !yield(f) {
					return
				}
			}
		}
	}
}

// takesFunction reports whether a function has a parameter that is one.
func takesFunction(f *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool {
		_, ok := p.Type.(*ast.FuncType)
		return ok
	})
}

func callsOneOf(body ast.Node, folder string, all map[string]bool) (is bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		is = is || ok && all[called(call, folder)]
		return !is
	})
	return is
}

// called is what a call calls, as package.name.
func called(call *ast.CallExpr, folder string) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return folder + "." + f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// checker checks packages, one after the other.
type checker struct {
	files   *token.FileSet
	exports map[string]string // files of export data, by package
	makers  map[string]bool   // see makersOf
	openers map[string]bool
}

// check prints the waits of a package's tests, and returns how many there are.
func (c *checker) check(p *pack) (int, error) {
	w := &walk{
		checker: c, pack: p,
		bodies: make(map[types.Object]*ast.FuncDecl), seen: make(map[visit]bool), told: make(map[token.Position]bool),
		info: types.Info{Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)},
	}
	config := types.Config{Importer: importer.ForCompiler(c.files, "gc", func(name string) (io.ReadCloser, error) {
		if mapped, ok := p.ImportMap[name]; ok {
			name = mapped
		}
		return os.Open(c.exports[name])
	})}
	if _, err := config.Check(p.ImportPath, c.files, p.syntax, &w.info); err != nil {
		return 0, err
	}
	for _, file := range p.syntax {
		for _, group := range file.Comments {
			if strings.Contains(group.Text(), excuse) {
				w.excused = append(w.excused, c.files.Position(group.End()))
			}
		}
	}
	for f := range p.functions() {
		if c.isTest(f) {
			w.bodies[w.info.Defs[f.Name]] = f
		}
	}
	for f := range p.functions() {
		if c.isTest(f) && slices.ContainsFunc(roots, func(root string) bool { return strings.HasPrefix(f.Name.Name, root) }) {
			w.follow(f)
		}
	}
	return w.found, nil
}

// isTest reports whether something stands in a file of tests.
func (c *checker) isTest(n ast.Node) bool {
	return strings.HasSuffix(c.files.Position(n.Pos()).Filename, "_test.go")
}

// walk is the way through the tests of a package.
type walk struct {
	*checker

	pack    *pack
	info    types.Info
	bodies  map[types.Object]*ast.FuncDecl
	excused []token.Position // ends of comments
	seen    map[visit]bool
	told    map[token.Position]bool
	bubbles bool // a function on the way has some
	found   int
}

// visit is a function, reached by way of one that has bubbles or not.
type visit struct {
	f       *ast.FuncDecl
	bubbles bool
}

// follow looks at what a function does outside of bubbles, and at what it calls there.
func (w *walk) follow(f *ast.FuncDecl) {
	bubbles := w.bubbles || callsOneOf(f.Body, w.pack.name(), w.openers)
	if w.seen[visit{f, bubbles}] {
		return
	}
	w.seen[visit{f, bubbles}] = true
	outer := w.bubbles
	w.bubbles = bubbles
	ast.Inspect(f.Body, w.visit)
	w.bubbles = outer
}

func (w *walk) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		if !w.makers[called(n, w.pack.name())] {
			w.visitCall(n)
		}
		return false
	case *ast.FuncLit, *ast.CompositeLit:
		return !w.bubbles
	case *ast.Ident:
		f, ok := w.info.Uses[n].(*types.Func)
		if !ok {
			return true
		}
		if f.Pkg() != nil && f.Pkg().Path() == "time" && f.Signature().Recv() == nil && slices.Contains(waits, f.Name()) {
			w.report(n)
		}
		if body := w.bodies[f.Origin()]; body != nil {
			w.follow(body)
		}
	}
	return true
}

// visitCall visits a call, of functions that it is handed the bodies: they are not kept.
func (w *walk) visitCall(call *ast.CallExpr) {
	for _, part := range append([]ast.Expr{call.Fun}, call.Args...) {
		if f, ok := part.(*ast.FuncLit); ok {
			ast.Inspect(f.Body, w.visit)
		} else {
			ast.Inspect(part, w.visit)
		}
	}
}

// report prints a wait, unless a comment on its line or above excuses it.
func (w *walk) report(n *ast.Ident) {
	at := w.files.Position(n.Pos())
	if strings.HasPrefix(filepath.Base(at.Filename), "real") || slices.ContainsFunc(w.excused, func(c token.Position) bool {
		return c.Filename == at.Filename && (c.Line == at.Line || c.Line == at.Line-1)
	}) || w.told[at] {
		return
	}
	w.told[at] = true
	name := at.Filename
	if folder, err := os.Getwd(); err == nil {
		name = strings.TrimPrefix(name, folder+string(filepath.Separator))
	}
	fmt.Printf("%s:%d: time.%s\n", name, at.Line, n.Name)
	w.found++
}
