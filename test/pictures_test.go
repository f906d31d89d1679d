package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPictures_AreWhatTheSimulatorDraws makes the timelines of docs/rollovers.md
// anew and compares.
func TestPictures_AreWhatTheSimulatorDraws(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "autosignctl")
	for _, args := range [][]string{
		{"go", "build", "-o", program, "../cmd/autosignctl"},
		{"../docs/timelines/make", program, dir},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(made) == 0 {
		t.Fatalf("no pictures: %v", err)
	}
	for _, file := range made {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../docs/timelines", filepath.Base(file)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the simulator draws now; `make pictures` draws it (%v)", filepath.Base(file), err)
		}
	}
}
