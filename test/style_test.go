package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	maxFile     = 450 // lines
	maxCoreFile = 400
	maxFunction = 60
)

// source is one Go file of the repository.
type source struct {
	name    string // relative to the repository, with slashes
	below   string // its folder below plugin/, else ""
	imports []string
	text    string
	ast     *ast.File
	fset    *token.FileSet
}

func (s *source) at(n ast.Node) string {
	return s.name + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

var readSources = sync.OnceValues(func() ([]*source, error) {
	var all []*source
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("..", name)
		s := &source{name: filepath.ToSlash(rel), text: string(text), fset: token.NewFileSet()}
		if s.ast, err = parser.ParseFile(s.fset, name, text, parser.ParseComments); err != nil {
			return err
		}
		for _, i := range s.ast.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			s.imports = append(s.imports, p)
		}
		if b, ok := strings.CutPrefix(s.name, "plugin/"); ok {
			s.below = filepath.ToSlash(filepath.Dir(b))
		}
		all = append(all, s)
		return nil
	})
	return all, err
})

// sources returns every Go file of the repository.
func sources(t *testing.T) []*source {
	t.Helper()
	all, err := readSources()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// production returns the files that are not tests.
func production(t *testing.T) []*source {
	t.Helper()
	var list []*source
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.name, "_test.go") {
			list = append(list, s)
		}
	}
	if len(list) < 20 {
		t.Fatalf("found only %d Go files: not the whole repository", len(list))
	}
	return list
}

func TestStyle_FilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		limit := maxFile
		if _, ok := core[s.below]; ok && !strings.HasSuffix(s.name, "_test.go") {
			limit = maxCoreFile
		}
		if n := strings.Count(s.text, "\n"); n > limit {
			t.Errorf("%s has %d lines, more than %d", s.name, n, limit)
		}
		if strings.HasSuffix(s.name, "_test.go") {
			continue // tables may be long
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", s.at(f), f.Name.Name, n, maxFunction)
			}
		}
	}
}

func TestStyle_ExportedThingsAreDocumented(t *testing.T) {
	// Methods whose meaning the standard library has fixed.
	known := []string{"String", "Error", "Unwrap", "MarshalText", "UnmarshalText", "Len", "Less", "Swap"}
	for _, s := range production(t) {
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil && !slices.Contains(known, d.Name.Name) {
					t.Errorf("%s: %s has no doc comment", s.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, sp := range d.Specs {
					if ts, ok := sp.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
						t.Errorf("%s: type %s has no doc comment", s.at(ts), ts.Name.Name)
					}
				}
			}
		}
	}
}

// exportedReceiver reports whether a function has no receiver or one of an
// exported type; methods of others are not part of any API.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if g, ok := t.(*ast.IndexExpr); ok {
		t = g.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}

// TestStyle_NothingIsLeftOpen refuses what says that work is not done, tests
// that do not run, and tests that wait instead of looking.
func TestStyle_NothingIsLeftOpen(t *testing.T) {
	// The patterns are written so that they do not find themselves.
	open := regexp.MustCompile(`\b(TO[D]O|FIX[M]E|XX[X])\b|\bt\.[S]kip|[n]ot implemented`)
	wait := regexp.MustCompile(`\btime\.[S]leep\(`)
	for _, s := range sources(t) {
		for n, line := range strings.Split(s.text, "\n") {
			if m := open.FindString(line); m != "" {
				t.Errorf("%s:%d: %s", s.name, n+1, m)
			}
			if m := wait.FindString(line); m != "" && strings.HasSuffix(s.name, "_test.go") && !strings.Contains(s.text, "testing/synctest") {
				t.Errorf("%s:%d: %s", s.name, n+1, m)
			}
		}
	}
}
