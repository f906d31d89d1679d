package test

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/autosign-dns/autosign"

// core lists the pure packages below plugin/, and which of each other they
// may import. The second field is true where miekg/dns is allowed.
var core = map[string]struct {
	imports []string
	dns     bool
}{
	"policy":           {},
	"agenda":           {},
	"event":            {},
	"zone":             {dns: true},
	"key":              {imports: []string{"policy"}, dns: true},
	"rollover":         {imports: []string{"policy"}},
	"state":            {imports: []string{"rollover", "policy"}},
	"simulate":         {imports: []string{"rollover", "policy"}},
	"denial":           {imports: []string{"zone", "policy"}, dns: true},
	"sign":             {imports: []string{"denial", "zone", "key", "policy"}, dns: true},
	"answer":           {imports: []string{"denial", "zone"}, dns: true},
	"verify":           {dns: true},
	"verify/reference": {imports: []string{"verify"}, dns: true},
}

// adapters lists the packages that each have one neighbour outside, and which
// other adapters they may import: a back end its port, nothing else. All of
// them may import the core.
var adapters = map[string][]string{
	"corefile":              nil,
	"source":                nil,
	"parent":                nil,
	"metrics":               nil,
	"durable":               nil,
	"lastgood":              {"durable"},
	"store":                 nil,
	"store/storetest":       {"store"},
	"store/memory":          {"store"},
	"store/directory":       {"store", "durable"},
	"keystore":              nil,
	"keystore/keystoretest": {"keystore"},
	"keystore/software":     {"keystore", "store", "durable"},
}

// backends are the adapters that only setup.go may name.
var backends = []string{"store/memory", "store/directory", "keystore/software"}

// impure are the packages of the standard library that bring the outside in;
// what lies below them in the import path counts too.
var impure = []string{
	"os", "net", "log", "context", "sync", "syscall", "testing", "math/rand",
	"crypto/rand", "runtime", "plugin", "flag", "unsafe",
}

// clock are the functions of package time that read or wait for the clock.
var clock = []string{
	"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep",
}

// TestWalls_CoreIsPure looks at direct imports: miekg/dns itself pulls in net
// and crypto/tls, so the transitive list would prove nothing.
func TestWalls_CoreIsPure(t *testing.T) {
	for _, f := range production(t) {
		rule, ok := core[f.below]
		if !ok {
			continue
		}
		for _, imp := range f.imports {
			switch own, inside := strings.CutPrefix(imp, module+"/plugin/"); {
			case inside:
				if !slices.Contains(rule.imports, own) {
					t.Errorf("%s imports plugin/%s; plugin/%s may import %q of the core", f.name, own, f.below, rule.imports)
				}
			case imp == "github.com/miekg/dns":
				if !rule.dns {
					t.Errorf("%s imports %s; plugin/%s stands on the standard library alone", f.name, imp, f.below)
				}
			case strings.Contains(path.Dir(imp+"/x"), "."):
				t.Errorf("%s imports %s; the core knows the standard library and miekg/dns", f.name, imp)
			case within(imp, impure):
				t.Errorf("%s imports %s; the core knows no disk, net, logger or other goroutine", f.name, imp)
			}
		}
	}
}

// TestWalls_CoreReadsNoClock holds the core to its argument now: what is
// called with the same arguments must do the same.
func TestWalls_CoreReadsNoClock(t *testing.T) {
	for _, f := range production(t) {
		if _, ok := core[f.below]; !ok {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				if x.Name == "time" && slices.Contains(clock, n.Sel.Name) ||
					x.Name == "fmt" && strings.HasPrefix(n.Sel.Name, "Print") {
					t.Errorf("%s: calls %s.%s", f.at(n), x.Name, n.Sel.Name)
				}
			case *ast.GoStmt:
				t.Errorf("%s: starts a goroutine", f.at(n))
			}
			return true
		})
	}
}

func TestWalls_AdaptersDoNotKnowEachOther(t *testing.T) {
	for _, f := range production(t) {
		may, ok := adapters[f.below]
		if !ok {
			continue
		}
		for _, imp := range f.imports {
			own, inside := strings.CutPrefix(imp, module+"/plugin/")
			if _, isCore := core[own]; !inside || isCore || slices.Contains(may, own) {
				continue
			}
			t.Errorf("%s imports plugin/%s; plugin/%s may import the core and %q", f.name, own, f.below, may)
		}
	}
}

func TestWalls_NothingBelowImportsTheRoot(t *testing.T) {
	for _, f := range production(t) {
		if strings.HasPrefix(f.name, "plugin/") && slices.Contains(f.imports, module) {
			t.Errorf("%s imports the root package", f.name)
		}
	}
}

// commands lists the commands and which packages of ours they may import; a
// command with the whole server in it imports the root alone.
var commands = map[string][]string{
	"coredns":     {""},
	"autosignctl": {"corefile", "policy", "rollover", "simulate"},
}

// TestWalls_CommandsAreThin keeps the server out of the command that only talks
// about it.
func TestWalls_CommandsAreThin(t *testing.T) {
	for _, f := range production(t) {
		name, ok := strings.CutPrefix(path.Dir(f.name), "cmd/")
		if !ok {
			continue
		}
		may, known := commands[name]
		if !known {
			t.Errorf("%s: cmd/%s has no place; decide, in test/walls_test.go", f.name, name)
		}
		for _, imp := range f.imports {
			own, inside := strings.CutPrefix(imp, module)
			if inside && !slices.Contains(may, strings.TrimPrefix(own, "/plugin/")) {
				t.Errorf("%s imports %s; cmd/%s may import %q", f.name, imp, name, may)
			}
		}
	}
}

func TestWalls_OnlySetupNamesBackEnds(t *testing.T) {
	for _, f := range production(t) {
		if strings.Contains(f.name, "/") || f.name == "setup.go" {
			continue
		}
		for _, b := range backends {
			if slices.Contains(f.imports, module+"/plugin/"+b) {
				t.Errorf("%s imports plugin/%s; setup.go chooses back ends", f.name, b)
			}
		}
	}
}

// TestWalls_EveryPackageHasItsPlace fails for a package that this file does
// not know, so that no package escapes the walls by being new.
func TestWalls_EveryPackageHasItsPlace(t *testing.T) {
	vague := []string{"util", "utils", "common", "helpers", "manager", "types", "internal"}
	for _, f := range production(t) {
		if !strings.HasPrefix(f.name, "plugin/") {
			continue
		}
		if slices.Contains(vague, path.Base(f.below)) {
			t.Errorf("%s: a package named %q says nothing", f.name, path.Base(f.below))
		}
		_, isCore := core[f.below]
		if _, isAdapter := adapters[f.below]; !isCore && !isAdapter {
			t.Errorf("%s: plugin/%s is neither in the core nor an adapter; decide, in test/walls_test.go", f.name, f.below)
		}
	}
}

// TestWalls_ArchitectureNamesTheFiles: whoever looks for the place of a change
// finds each file of the root package and of rollover in ARCHITECTURE.md, and no
// file there that is gone.
func TestWalls_ArchitectureNamesTheFiles(t *testing.T) {
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`[a-z_]+\.go\b`).FindAllString(string(text), -1) {
		named[name] = true
	}
	there := map[string]bool{"walls_test.go": true}
	for _, f := range production(t) {
		base := path.Base(f.name)
		if there[base] = true; !named[base] && (f.name == base || f.below == "rollover") {
			t.Errorf("%s is not in ARCHITECTURE.md", f.name)
		}
	}
	for name := range named {
		if !there[name] {
			t.Errorf("ARCHITECTURE.md names %s, which is not there", name)
		}
	}
}

// within reports whether an import path is one of those listed or below one.
func within(imp string, list []string) bool {
	return slices.ContainsFunc(list, func(l string) bool {
		return imp == l || strings.HasPrefix(imp, l+"/")
	})
}
