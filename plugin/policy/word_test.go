package policy

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseAlgorithm(t *testing.T) {
	const known = "RSASHA256 (8), RSASHA512 (10), ECDSAP256SHA256 (13), ECDSAP384SHA384 (14), ED25519 (15)"
	tests := []struct {
		in   string
		want Algorithm
		err  string
	}{
		{"8", RSASHA256, ""}, {"RSASHA256", RSASHA256, ""},
		{"10", RSASHA512, ""}, {"rsasha512", RSASHA512, ""},
		{"13", ECDSAP256SHA256, ""}, {"EcdsaP256Sha256", ECDSAP256SHA256, ""},
		{"14", ECDSAP384SHA384, ""}, {"ECDSAP384SHA384", ECDSAP384SHA384, ""},
		{"15", ED25519, ""}, {"ED25519", ED25519, ""},
		{"1", 1, "algorithm 1 (RSAMD5) must not be used (RFC 8624 section 3.1)"},
		{"RSAMD5", 1, "algorithm 1 (RSAMD5) must not be used (RFC 8624 section 3.1)"},
		{"DSA", 3, "algorithm 3 (DSA) must not be used (RFC 8624 section 3.1)"},
		{"5", 5, "algorithm 5 (RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"},
		{"DSA-NSEC3-SHA1", 6, "algorithm 6 (DSA-NSEC3-SHA1) must not be used (RFC 8624 section 3.1)"},
		{"NSEC3RSASHA1", 7, "algorithm 7 (NSEC3RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"},
		{"12", 12, "algorithm 12 (ECC-GOST) must not be used (RFC 9906)"},
		{"ED448", 16, "algorithm 16 (ED448) is not supported: Go's standard library has no Ed448; ED25519 is the closest"},
		{"253", 253, "algorithm 253 (PRIVATEDNS) is a private algorithm and not supported"},
		{"0", 0, "algorithm 0 is unknown; supported are " + known},
		{"99", 99, "algorithm 99 is unknown; supported are " + known},
		{"256", 0, `algorithm "256" is unknown; supported are ` + known},
		{"RSASHA3", 0, `algorithm "RSASHA3" is unknown; supported are ` + known},
		{"", 0, `algorithm "" is unknown; supported are ` + known},
	}
	for _, test := range tests {
		got, err := ParseAlgorithm(test.in)
		if got != test.want || fmt.Sprint(err) != orNil(test.err) {
			t.Errorf("ParseAlgorithm(%q) = %d, %v; want %d, %s", test.in, got, err, test.want, orNil(test.err))
		}
	}
}

func orNil(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

func TestAlgorithm_Sizes(t *testing.T) {
	tests := []struct {
		alg                   Algorithm
		bits, size, byDefault int
	}{
		{RSASHA256, 2048, 256, 2048}, {RSASHA512, 1025, 129, 2048},
		{ECDSAP256SHA256, 256, 64, 0}, {ECDSAP384SHA384, 384, 96, 0}, {ED25519, 256, 64, 0}, {16, 456, 0, 0},
	}
	for _, test := range tests {
		if got := test.alg.SignatureSize(test.bits); got != test.size {
			t.Errorf("%s: signature of %d octets, want %d", test.alg, got, test.size)
		}
		if got := test.alg.DefaultBits(); got != test.byDefault {
			t.Errorf("%s: default bits %d, want %d", test.alg, got, test.byDefault)
		}
		if err := test.alg.CheckBits(test.alg.DefaultBits()); err != nil {
			t.Errorf("%s: %v", test.alg, err)
		}
	}
	if got := Algorithm(99).String(); got != "99" {
		t.Errorf("String of an unknown algorithm is %q", got)
	}
}

func TestWords_ComeBack(t *testing.T) {
	for _, r := range []Role{KSK, ZSK, CSK} {
		if got, err := ParseRole(strings.ToLower(r.String())); got != r || err != nil {
			t.Errorf("ParseRole(%s) = %s, %v", r, got, err)
		}
	}
	for _, s := range []Scheme{SchemeSplit, SchemeCSK} {
		if got, err := ParseScheme(s.String()); got != s || err != nil {
			t.Errorf("ParseScheme(%s) = %s, %v", s, got, err)
		}
	}
	for _, s := range []SerialScheme{SerialIncrement, SerialUnixTime, SerialDate} {
		if got, err := ParseSerialScheme(s.String()); got != s || err != nil {
			t.Errorf("ParseSerialScheme(%s) = %s, %v", s, got, err)
		}
	}
	for _, m := range []VerifyMode{VerifyBudget, VerifyFull, VerifyStructure} {
		if got, err := ParseVerifyMode(m.String()); got != m || err != nil {
			t.Errorf("ParseVerifyMode(%s) = %s, %v", m, got, err)
		}
	}
	for _, n := range []NewKeys{AskParent, Always, Never} {
		if got, err := ParseNewKeys(n.String()); got != n || err != nil {
			t.Errorf("ParseNewKeys(%s) = %s, %v", n, got, err)
		}
	}
	_, err := ParseSerialScheme("random")
	if want := `"random" is not increment, unixtime or date`; fmt.Sprint(err) != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, err := ParseRole(""); err == nil {
		t.Error("the empty role was accepted")
	}
	if got := Role(9).String(); got != "unknown(9)" {
		t.Errorf("String of an unknown role is %q", got)
	}
}

func TestRole_TextComesBack(t *testing.T) {
	for _, r := range []Role{KSK, ZSK, CSK} {
		data, err := json.Marshal(map[string]Role{"role": r})
		if want := `{"role":"` + r.String() + `"}`; string(data) != want || err != nil {
			t.Errorf("%s is written as %s, %v", r, data, err)
		}
		var back map[string]Role
		if err := json.Unmarshal(data, &back); back["role"] != r || err != nil {
			t.Errorf("%s is read as %s, %v", data, back["role"], err)
		}
	}
	for _, r := range []Role{0, 4} {
		if text, err := r.MarshalText(); err == nil {
			t.Errorf("role %d has the text %q", uint8(r), text)
		}
	}
	role := ZSK
	if err := role.UnmarshalText([]byte("SKS")); fmt.Sprint(err) != `role: "SKS" is not KSK, ZSK or CSK` || role != ZSK {
		t.Errorf("SKS was read as %s, %v", role, err)
	}
}

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		err  string
		out  string
	}{
		{"14d", 14 * day, "", "14d"},
		{"2w", 14 * day, "", "14d"},
		{"1w2d3h4m5s", 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second, "", "9d3h4m5s"},
		{"1.5d", 36 * time.Hour, "", "1d12h"},
		{"0.5w", 84 * time.Hour, "", "3d12h"},
		{"90m", 90 * time.Minute, "", "1h30m"},
		{"1h1d", 25 * time.Hour, "", "1d1h"},
		{"2000ms", 2 * time.Second, "", "2s"},
		{"0s", 0, "", "0s"},
		{"", 0, "duration is empty", ""},
		{"3600", 0, `"3600" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"d", 0, `"d" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"-1d", 0, `"-1d" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"1 d", 0, `"1 d" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"1D", 0, `"1D" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"1.2.3d", 0, `"1.2.3d" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"1month", 0, `"1month" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"999999999w", 0, `"999999999w" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"15000w15000w", 0, `"15000w15000w" is not a duration such as 90m, 36h, 14d or 2w`, ""},
		{"1500ms", 0, `duration "1500ms" is not in whole seconds`, ""},
		{"1ns", 0, `duration "1ns" is not in whole seconds`, ""},
	}
	for _, test := range tests {
		got, err := ParseDuration(test.in)
		if got != test.want || fmt.Sprint(err) != orNil(test.err) {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v, %s", test.in, got, err, test.want, orNil(test.err))
		}
		if err == nil && FormatDuration(got) != test.out {
			t.Errorf("FormatDuration(%v) = %q, want %q", got, FormatDuration(got), test.out)
		}
	}
}

func TestFormatDuration_BelowZero(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Millisecond: "0s", -time.Second: "-1s", -25 * time.Hour: "-1d1h", math.MinInt64: "-106751d23h47m16s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d is written as %q, want %q", d, got, want)
		}
	}
}

// FuzzDuration: what is read is written so that it is read as the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"14d", "1w2d3h4m5s", "0.5w", "1e9d", "9223372036s", "µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if d < 0 || d%time.Second != 0 {
			t.Fatalf("ParseDuration(%q) = %v", s, d)
		}
		if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
			t.Errorf("%q is %v, written as %q and read as %v, %v", s, d, FormatDuration(d), again, err)
		}
	})
}
