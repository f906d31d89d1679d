package test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The program in the README that embeds CoreDNS is built and signs a zone.
func TestReadme_EmbeddingProgramSigns(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(readme), "~~~ go\n")
	program, _, closed := strings.Cut(program, "\n~~~\n")
	if !found || !closed {
		t.Fatal("the README has no Go program")
	}
	s := &server{dir: t.TempDir(), port: freePort(t)}
	s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	write(t, s.dir, map[string]string{"main.go": program, "db.example.org": `$ORIGIN example.org.
@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 300
@ 3600 IN NS ns1
ns1 3600 IN A 192.0.2.1
`})
	s.configure(t, "example.org:PORT {\n bind 127.0.0.1\n file db.example.org\n autosign {\n  parent none\n }\n}\n")
	// Imports are resolved in this module, wherever the file is.
	file := filepath.Join(s.dir, "embedded")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", file}, buildFlags, []string{filepath.Join(s.dir, "main.go")})...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.process = spawn(t, s.dir, file)
	s.signed(t, "example.org.")
}
