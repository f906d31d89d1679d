package rollover

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// picture is the lines of the doc comment of State.
func picture(t *testing.T) (lines []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "record.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE || g.Specs[0].(*ast.TypeSpec).Name.Name != "State" {
			continue
		}
		for line := range strings.SplitSeq(g.Doc.Text(), "\n") {
			lines = append(lines, line+strings.Repeat(" ", 80))
		}
	}
	return lines
}

// nameAt returns the state whose name covers a place in a picture.
func nameAt(lines []string, row, col int) (State, bool) {
	if row < 0 || row >= len(lines) {
		return 0, false
	}
	for s := range states {
		name := strings.ToUpper(s.String()[:1]) + s.String()[1:]
		if at := strings.Index(lines[row], name); at >= 0 && at <= col && col < at+len(name) {
			return s, true
		}
	}
	return 0, false
}

// direction is one in a picture.
type direction struct{ row, col int }

// follow goes along a line, around its corners, to the state where it begins.
func follow(t *testing.T, lines []string, row, col int, d direction) State {
	t.Helper()
	for range 200 {
		row, col = row+d.row, col+d.col
		if s, ok := nameAt(lines, row, col); ok {
			return s
		}
		if s, ok := nameAt(lines, row, col+d.col); ok && d.col != 0 { // a blank before the name
			return s
		}
		if lines[row][col] != '+' {
			continue
		}
		for _, turn := range []direction{{0, 1}, {0, -1}, {1, 0}, {-1, 0}} {
			mark := map[bool]byte{true: '|', false: '-'}[turn.row != 0]
			if turn != (direction{-d.row, -d.col}) && row+turn.row < len(lines) && lines[row+turn.row][col+turn.col] == mark {
				d = turn
				break
			}
		}
	}
	t.Fatal("a line of the picture leads nowhere")
	return 0
}

// The picture over State and the transition table say the same.
func TestState_PictureAndTransitionsAgree(t *testing.T) {
	lines := picture(t)
	heads := map[byte]direction{'>': {0, 1}, '<': {0, -1}, '^': {-1, 0}, 'v': {1, 0}}
	var drawn [states][]State
	for row, line := range lines {
		for col := range line {
			d, ok := heads[line[col]]
			if !ok {
				continue
			}
			to, ok := nameAt(lines, row+d.row, col+d.col)
			if !ok {
				to, ok = nameAt(lines, row+2*d.row, col+2*d.col)
			}
			if !ok {
				continue // a letter of a word
			}
			from := follow(t, lines, row, col, direction{-d.row, -d.col})
			drawn[from] = append(drawn[from], to)
		}
	}
	for s := range states {
		want := slices.Sorted(slices.Values(transitions[s]))
		if slices.Sort(drawn[s]); !slices.Equal(drawn[s], want) {
			t.Errorf("from %s the picture leads to %v, the table to %v", s, drawn[s], want)
		}
	}
}

func TestState_Text(t *testing.T) {
	for s := range states {
		text, err := s.MarshalText()
		var back State
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%s is written %q and read %s: %v", s, text, back, err)
		}
	}
	var s State
	if err := s.UnmarshalText([]byte("revoked")); err == nil {
		t.Error("no such state, and no error")
	}
	if State(9).String() != "state 9" || Record(9).String() != "record 9" {
		t.Errorf("%s, %s", State(9), Record(9))
	}
}

func TestStatuses_RefuseWhatTheyDoNotKnow(t *testing.T) {
	var s Statuses
	for _, text := range []string{`{"dnskey":{"state":"hidden","goal":"hidden"},"cds":{}}`, `[]`, `{"ds":{"state":"gone"}}`} {
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is read as %+v", text, s)
		}
	}
}

func TestRecord_OfRoles(t *testing.T) {
	for role, want := range map[policy.Role]string{policy.KSK: "DNSKEY KRRSIG DS", policy.ZSK: "DNSKEY ZRRSIG", policy.CSK: "DNSKEY KRRSIG ZRRSIG DS"} {
		var got []string
		for r := range records {
			if r.of(role) {
				got = append(got, r.String())
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s, want %s", role, text, want)
		}
	}
}
