package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkFile puts a transferred zone before the outside programs that judge
// every zone; validns, which knows RSA and older types only, has a test of its own.
func checkFile(t *testing.T, zone, file string) {
	t.Helper()
	checks := [][]string{
		{"dnssec-verify", "-q", "-o", zone, file},
		{"ldns-verify-zone", "-V", "2", file},
		{"kzonecheck", "-d", "on", "-o", zone, file},
	}
	for _, c := range checks {
		if out, ok := output(t, "", c[0], c[1:]...); !ok {
			t.Errorf("%s refuses %s:\n%s", c[0], zone, shorten(out))
		}
	}
}

// verifyFile is the one check for zones that are known to be beyond the other
// programs, and for those that are checked very often.
func verifyFile(t *testing.T, zone, file string, options ...string) {
	t.Helper()
	args := append([]string{"-q", "-o", zone}, options...)
	if out, ok := output(t, "", "dnssec-verify", append(args, file)...); !ok {
		t.Errorf("dnssec-verify refuses %s:\n%s", zone, shorten(out))
	}
}

func onlyRSA(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rsa := false
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 7 || f[3] != "DNSKEY" {
			continue
		}
		if f[6] != "8" && f[6] != "10" {
			return false
		}
		rsa = true
	}
	return rsa
}

// shorten keeps the beginning of a program's complaints: hundreds of records
// usually have one fault.
func shorten(out string) string {
	if lines := strings.SplitAfterN(out, "\n", 31); len(lines) > 30 {
		return strings.Join(lines[:30], "") + "...\n"
	}
	return out
}

// dnsvizShim gives dnsviz the module in which it looks for a version; Debian
// packages a pygraphviz that no longer has it.
const dnsvizShim = `
import sys, types
import pygraphviz
release = types.ModuleType("pygraphviz.release")
release.version = "1.7"
pygraphviz.release = sys.modules["pygraphviz.release"] = release
`

// dnsviz probes the apex of a zone and fails on whatever it finds wrong. All
// name servers of the zone must be names in it with the address 127.0.0.1, or
// dnsviz would look for them outside.
func dnsviz(t *testing.T, s *server, zone string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"sitecustomize.py": dnsvizShim,
		"anchor":           anchor(t, s.addr, zone),
	})
	run := func(outfile string, args ...string) {
		cmd := exec.CommandContext(t.Context(), tool(t, "dnsviz"), args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("dnsviz %q: %v\n%s", args, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, outfile)); err != nil {
			t.Fatal(err)
		}
	}
	apex := strings.TrimSuffix(zone, ".")
	run("probe.json", "probe", "-4", "-A", "-o", "probe.json",
		"-x", fmt.Sprintf("%s+:ns1.%s=[127.0.0.1]:%d", apex, apex, s.port), apex)
	run("grok.json", "grok", "-t", "anchor", "-r", "probe.json", "-o", "grok.json")

	raw, err := os.ReadFile(filepath.Join(dir, "grok.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	secure := 0
	judge(t, "", tree, &secure)
	if secure < 10 {
		t.Errorf("dnsviz found only %d things secure in %s", secure, zone)
	}
}

// judge walks through what dnsviz says, counts what is secure and fails on
// errors, warnings and bad states.
func judge(t *testing.T, path string, node any, secure *int) {
	t.Helper()
	switch node := node.(type) {
	case []any:
		for i, v := range node {
			judge(t, fmt.Sprintf("%s[%d]", path, i), v, secure)
		}
	case map[string]any:
		for k, v := range node {
			switch {
			case k == "errors" || k == "warnings":
				t.Errorf("dnsviz: %s: %s: %v", path, k, v)
			case k == "status" && (v == "SECURE" || v == "VALID"):
				*secure++
			case k == "status" && v != "NOERROR" && v != "NXDOMAIN" && v != "INSECURE":
				t.Errorf("dnsviz: %s is %v", path, v)
			default:
				judge(t, path+"/"+k, v, secure)
			}
		}
	}
}
