package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/autosign-dns/autosign/plugin/simulate"
)

var update = flag.Bool("update", false, "write the scripts anew, with what the command says now")

// TestScripts runs the scripts in testdata/script. Each line that begins with
// "$ " is a command; what stands below it until an empty line and the next
// command, or comment, is what it prints and, if that is not 0, its exit status.
// "| head N", "| tail N" and "| grep WORD" keep a part of what is printed.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, got, string(text))
		})
	}
}

// replay returns a script with what its commands print now.
func replay(t *testing.T, script string) string {
	var b strings.Builder
	output := false
	for line := range strings.Lines(script) {
		switch {
		case strings.HasPrefix(line, "$ "):
			if output {
				b.WriteByte('\n')
			}
			b.WriteString(line)
			b.WriteString(execute(t, strings.TrimSpace(line[2:])))
			output = true
		case strings.HasPrefix(line, "#"):
			if output {
				b.WriteByte('\n')
			}
			b.WriteString(line)
			output = false
		case !output:
			b.WriteString(line)
		}
	}
	return b.String()
}

// execute runs one command line.
func execute(t *testing.T, line string) string {
	words := fields(line)
	filter := []string(nil)
	for i, w := range words {
		if w == "|" {
			words, filter = words[:i], words[i+1:]
			break
		}
	}
	if words[0] != "autosignctl" {
		t.Fatalf("%q is no command here", words[0])
	}
	var out bytes.Buffer
	status := run(words[1:], &out, &out)
	text := out.String()
	if filter != nil {
		text = part(t, text, filter)
	}
	if status != 0 {
		text += fmt.Sprintf("[exit status %d]\n", status)
	}
	return text
}

// fields splits a command line; "..." keeps spaces.
func fields(line string) (words []string) {
	for i, quoted := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, quoted)
		} else {
			words = append(words, strings.Fields(quoted)...)
		}
	}
	return words
}

// part keeps a part of what was printed.
func part(t *testing.T, text string, filter []string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	switch filter[0] {
	case "head", "tail":
		n, err := strconv.Atoi(filter[1])
		if err != nil {
			t.Fatal(err)
		}
		if filter[0] == "tail" {
			lines = lines[max(len(lines)-n, 0):]
		} else {
			lines = lines[:min(n, len(lines))]
		}
	case "grep":
		var kept []string
		for _, l := range lines {
			if strings.Contains(l, filter[1]) {
				kept = append(kept, l)
			}
		}
		lines = kept
	}
	return strings.TrimSuffix(strings.Join(lines, ""), "\n") + "\n"
}

// compare shows the first line that differs.
func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d:\ngot  %s\nwant %s\n(-update writes the script anew)", i+1, a, b)
			return
		}
	}
}

func TestSimulate_JSONIsReadBack(t *testing.T) {
	var out bytes.Buffer
	if status := run([]string{"simulate", "-story", "ksk", "-format", "json"}, &out, io.Discard); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	var h simulate.History
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		t.Fatal(err)
	}
	if len(h.Keys) != 3 || h.Keys[2].Name != "KSK 2" || len(h.Keys[2].Spans["DS"]) != 2 || len(h.Bogus) != 0 {
		t.Errorf("got %+v", h)
	}
}

// TestSimulate_EveryStoryIsAPicture: well-formed, of its own, and without a
// bogus instant.
func TestSimulate_EveryStoryIsAPicture(t *testing.T) {
	for _, name := range simulate.Stories() {
		file := filepath.Join(t.TempDir(), name+".svg")
		var errs bytes.Buffer
		if status := run([]string{"simulate", "-story", name, "-format", "svg", "-o", file}, io.Discard, &errs); status != 0 {
			t.Errorf("%s: exit status %d: %s", name, status, &errs)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(text))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Contains(text, []byte("ZRRSIG")) {
			t.Errorf("%s: no signatures in the picture", name)
		}
	}
}

// TestSimulate_AWrongFlagIsMisuse: whoever mistypes is told so by the status.
func TestSimulate_AWrongFlagIsMisuse(t *testing.T) {
	for _, args := range [][]string{{"-for", "0"}, {"-seed", "x"}, {"-json"}, {"word"}} {
		if status := run(append([]string{"simulate"}, args...), io.Discard, io.Discard); status != statusUsage {
			t.Errorf("%q: exit status %d", args, status)
		}
	}
	if status := run([]string{"simulate", "-h"}, io.Discard, io.Discard); status != statusFine {
		t.Errorf("-h: exit status %d", status)
	}
}
