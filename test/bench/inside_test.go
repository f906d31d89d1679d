//go:build linux

package main

import (
	"path/filepath"
	"testing"
)

// The signed copy made inside the bench is the one that the targets speak of:
// verify accepts it, and it has the signatures that are reckoned with.
func TestSignJob_MakesAllSignaturesOfTheZone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	if err := writeEdition(file, Small, Edition{Serial: 1}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []Denial{NSEC, NSEC3, OptOut} {
		got, err := signJob(Small, []string{file, string(d)})
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		if r := got.(signResult); r.Signatures != Small.Signatures(d) || r.SignCPU <= 0 {
			t.Errorf("%s: %+v, want %d signatures", d, r, Small.Signatures(d))
		}
	}
}
