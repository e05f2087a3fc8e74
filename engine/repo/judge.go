package repo

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
)

// maxPolicyBytes bounds one Rego file.
const maxPolicyBytes = 256 << 10

// readLimit is how much of a file is read at all. What is larger is refused by
// its size, or is not ours.
func readLimit(file string, p place) int64 {
	if p.class == policy {
		return maxPolicyBytes
	}
	return int64(limitsOf(file).bytes)
}

// judge reads the bytes of one file. raw is nil where the file is too large.
func judge(e gitdb.Entry, p place, raw []byte, tooLarge bool) (*checkedFile, error) {
	out := &checkedFile{}
	switch {
	case p.class == stray:
		if !tooLarge {
			judgeStray(e.Path, raw, &out.problems)
		}
	case tooLarge:
		out.problems.Errorf(diag.Pos{File: e.Path}, CodeTooLarge, "file is larger than %d bytes, the limit", readLimit(e.Path, p)).
			WithHint("split it: one object a file")
	case p.class == policy:
		judgePolicy(e.Path, raw, out)
	default:
		var err error
		out.resource, out.problems, err = Decode(e.Path, string(e.OID), raw)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judgePolicy takes Rego as text; compiling it is package policy's part. The
// same characters are refused as in YAML, because the same people review it.
func judgePolicy(file string, raw []byte, out *checkedFile) {
	var found diag.List
	checkText(file, raw, &found)
	for _, d := range found {
		d.Code = CodePolicyText
		out.problems = append(out.problems, d)
	}
	if len(found) == 0 {
		out.policy = string(raw)
	}
}

var claim = regexp.MustCompile(`(?m)^apiVersion:[ \t]*["']?assent\.dev/`)
var claimedKind = regexp.MustCompile(`(?m)^kind:[ \t]*["']?([A-Za-z]+)`)

// judgeStray refuses a resource that lies where nothing looks for it: its writer
// believes that it counts.
func judgeStray(file string, raw []byte, out *diag.List) {
	at := claim.FindIndex(raw)
	if at == nil || bytes.IndexByte(raw, 0) >= 0 {
		return
	}
	d := out.Errorf(posAt(file, raw, at[0]), CodeWrongPlace, "this file says that it is a resource, but nothing reads it here")
	d.WithHint("move it to the folder of its kind, or change its apiVersion")
	if m := claimedKind.FindSubmatch(raw); m != nil {
		if shape := shapeOf(resource.Kind(m[1])); shape != "" {
			d.WithHint("move it to %s", shape)
		}
	}
}

// refuseModes takes away what is not an ordinary file at a place of ours.
func refuseModes(files []gitdb.Entry, work []place, out *diag.List) {
	for i, e := range files {
		if !work[i].folder || e.Mode == gitdb.ModeFile {
			continue
		}
		resourceFile := work[i].class != ignored
		what, hint := "", "replace it with an ordinary file"
		switch e.Mode {
		case gitdb.ModeSymlink:
			what = "a symbolic link"
		case gitdb.ModeModule:
			what, hint = "a submodule", "move its files into this repository"
		case gitdb.ModeExec:
			if !resourceFile {
				continue
			}
			what, hint = "executable", "run chmod -x and commit again"
		default:
			what = "a device, a pipe or something else that git does not hold"
		}
		work[i].class = ignored
		out.Errorf(diag.Pos{File: display(e.Path)}, CodeFileMode, "%s is %s (mode %06o), want an ordinary file (mode %06o)", display(e.Path), what, e.Mode, gitdb.ModeFile).
			WithHint("%s", hint)
	}
}

// refuseTwins takes away files whose paths differ in case only: on many
// machines one of them hides the other.
func refuseTwins(files []gitdb.Entry, work []place, out *diag.List) {
	first := make(map[string]int, len(files))
	for i, e := range files {
		if !work[i].folder && work[i].class != stray {
			continue
		}
		folded := strings.ToLower(e.Path)
		j, twin := first[folded]
		if !twin {
			first[folded] = i
			continue
		}
		ours := work[i].class != stray && work[i].class != ignored || work[j].class != stray && work[j].class != ignored
		if !ours {
			continue
		}
		work[i].class, work[j].class = ignored, ignored
		out.Errorf(diag.Pos{File: display(e.Path)}, CodeCaseTwin, "%s and %s differ in case only", display(files[j].Path), display(e.Path)).
			WithHint("rename one of them; neither counts until then").
			WithRelated(diag.Pos{File: display(files[j].Path)}, "the other one")
	}
}

// refusePlaces takes away YAML files that no kind can claim by their path.
func refusePlaces(files []gitdb.Entry, work []place, out *diag.List) {
	for i, e := range files {
		pos := diag.Pos{File: display(e.Path)}
		switch work[i].class {
		case yml:
			out.Errorf(pos, CodeExtension, "%s ends in .yml", path.Base(display(e.Path))).
				WithHint("rename it to %s.yaml", strings.TrimSuffix(path.Base(display(e.Path)), ".yml"))
		case misplaced:
			d := out.Errorf(pos, CodeWrongPlace, "no resource can be at %s", display(e.Path))
			if shape := shapeOf(work[i].kind); shape != "" {
				d.WithHint("move it to %s", shape)
			} else {
				d.WithHint("people are directory/users/NAME.yaml, groups are directory/groups/NAME.yaml")
			}
		case known:
			refuseName(e.Path, work, i, out)
		}
	}
}

var plainPath = regexp.MustCompile(`^[a-z0-9_.-]+(/[a-z0-9_.-]+)*$`)

// refuseName refuses folders and files spelt in a way that no name can have.
func refuseName(file string, work []place, i int, out *diag.List) {
	if plainPath.MatchString(file) {
		return
	}
	work[i].class = ignored
	out.Errorf(diag.Pos{File: display(file)}, CodeFileName, "%s is spelt in a way that no name can have", display(file)).
		WithHint("use lower-case letters, digits and dashes in the names of folders and files")
}
