package store

import (
	"strings"
	"testing"
)

// The names of key files that dnssec-keygen 9.18 gave for these zones.
func TestFileName_IsBINDs(t *testing.T) {
	tests := []struct{ zone, want string }{
		{".", "."},
		{"", "."},
		{"EXAMPLE.org", "example.org."},
		{"example.org.", "example.org."},
		{`a\/b.ex\.am\000ple.org.`, "a%2Fb.ex%2Eam%00ple.org."},
		{`a%b_c$d.ex\065m.`, "a%25b_c%24d.exam."},
		{`a\047b.`, "a%2Fb."},
		{`ends.with.a\.`, "ends.with.a%2E."},
		{`\`, "%5C."},
		{`\25`, "25."},
		{`\999`, "999."},
		{"bücher.", "b%C3%BCcher."},
	}
	for _, test := range tests {
		if got := FileName(test.zone); got != test.want {
			t.Errorf("FileName(%q) = %q, want %q", test.zone, got, test.want)
		}
	}
}

func TestName(t *testing.T) {
	tests := []struct{ zone, want string }{
		{".", "root.state.json"},
		{"root.", "%72oot.state.json"},
		{`r\111ot.`, "%72oot.state.json"},
		{"example.org.", "example.org.state.json"},
		{"Example.ORG", "example.org.state.json"},
		{`a\/b.`, "a%2Fb.state.json"},
	}
	for _, test := range tests {
		got := Name(test.zone, "state.json")
		if got != test.want {
			t.Errorf("Name(%q) = %q, want %q", test.zone, got, test.want)
		}
		if err := CheckName(got); err != nil {
			t.Errorf("CheckName(%q): %v", got, err)
		}
	}
}

// FuzzName: every zone has a name that back ends take, unless it is too long.
func FuzzName(f *testing.F) {
	for _, zone := range []string{".", "root.", `a\.b.`, `\`, `..`, "\x00", "EXAMPLE.org"} {
		f.Add(zone)
	}
	f.Fuzz(func(t *testing.T, zone string) {
		name := Name(zone, "state.json")
		if err := CheckName(name); err != nil && len(name) <= maxName && !strings.HasPrefix(name, ".") {
			t.Errorf("Name(%q) = %q: %v", zone, name, err)
		}
		if !strings.HasSuffix(FileName(zone), ".") || strings.ContainsAny(FileName(zone), "/\\\x00") {
			t.Errorf("FileName(%q) = %q", zone, FileName(zone))
		}
	})
}
