package review

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

const fingerprintPrefix = "SHA256:"

// KeyFingerprint is the fingerprint of a public key in authorized_keys form, as
// `ssh-keygen -l` prints it: "SHA256:" and the unpadded base64 of the SHA-256 of
// the key's blob. It reads the key's type and nothing else of the blob; whether
// the kind of key is acceptable is for those to say who check signatures.
func KeyFingerprint(line string) (string, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", errors.New("read public key: want a type and a base64 text")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", errors.New("read public key: the second word is no base64 text")
	}
	if len(blob) < 4 {
		return "", errors.New("read public key: the key is cut off, or of another type")
	}
	n := uint64(binary.BigEndian.Uint32(blob))
	if n >= uint64(len(blob)-4) || string(blob[4:4+n]) != fields[0] {
		return "", errors.New("read public key: the key is cut off, or of another type")
	}
	sum := sha256.Sum256(blob)
	return fingerprintPrefix + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}

// directory finds the person behind an actor, by what cannot be taken over:
// numeric ids and keys, never logins.
type directory struct {
	base   *resource.Set
	people map[string][]resource.Name
}

func newDirectory(base *resource.Set) directory {
	d := directory{base: base, people: map[string][]resource.Name{}}
	for u := range resource.Of[*resource.User](base) {
		name := u.Ref().Name
		if gh := u.Spec.Forge.GitHub; gh != nil && gh.ID > 0 {
			d.add("github:"+strconv.FormatInt(gh.ID, 10), name)
		}
		if gt := u.Spec.Forge.Gitea; gt != nil && gt.ID > 0 {
			d.add("gitea:"+strconv.FormatInt(gt.ID, 10), name)
		}
		for _, line := range u.Spec.Forge.SSH {
			if fp, err := KeyFingerprint(line); err == nil { // an unreadable key identifies nobody
				d.add(fp, name)
			}
		}
	}
	return d
}

func (d directory) add(key string, name resource.Name) {
	if !slices.Contains(d.people[key], name) {
		d.people[key] = append(d.people[key], name)
	}
}

// claimants are all Users that claim to be the actor. Only one that is alone
// may decide; all of them are kept from deciding.
func (d directory) claimants(a Actor) []resource.Name {
	if strings.HasPrefix(a.ID, fingerprintPrefix) {
		return d.people[a.ID]
	}
	return d.people[a.Forge+":"+a.ID]
}

// suspects are all who might be the actor: the claimants or, for one who is
// known by nothing but the text of a commit, whoever that text might mean.
// Only good for keeping people out.
func (d directory) suspects(a Actor) []resource.Name {
	if a.ID != "" {
		return d.claimants(a)
	}
	text := strings.ToLower(a.Login)
	mail := text
	if _, rest, ok := strings.Cut(text, "<"); ok {
		mail, _, _ = strings.Cut(rest, ">")
	}
	mail = strings.TrimSpace(mail)
	local, _, _ := strings.Cut(mail, "@")
	id, login, _ := strings.Cut(local, "+") // GitHub's 123+login@users.noreply.github.com; Gitea's 123+login@, or the login alone
	found := slices.Concat(d.people["github:"+id], d.people["gitea:"+id])
	for u := range resource.Of[*resource.User](d.base) {
		sameLogin := slices.ContainsFunc(logins(u), func(l string) bool {
			return slices.Contains([]string{text, local, login}, strings.ToLower(l))
		})
		sameMail := u.Spec.Email != "" && mail == strings.ToLower(u.Spec.Email)
		if sameLogin || sameMail || text == string(u.Ref().Name) {
			found = append(found, u.Ref().Name)
		}
	}
	return found
}

// logins are what forges call a person.
func logins(u *resource.User) []string {
	var out []string
	if gh := u.Spec.Forge.GitHub; gh != nil && gh.Login != "" {
		out = append(out, gh.Login)
	}
	if gt := u.Spec.Forge.Gitea; gt != nil && gt.Login != "" {
		out = append(out, gt.Login)
	}
	return out
}

// person is the one person behind an actor, or why there is none.
func (d directory) person(a Actor) (name resource.Name, why string) {
	switch found := d.claimants(a); len(found) {
	case 1:
		return found[0], ""
	case 0:
		return "", "nobody in the directory is " + a.String()
	default:
		return "", a.String() + " is claimed by " + joinNames(found) + "; one account belongs to one person"
	}
}

// String renders an actor for people; the login is marked as hearsay.
func (a Actor) String() string {
	if a.Login == "" {
		return a.Forge + " " + a.ID
	}
	return a.Forge + " " + a.ID + " (login " + strconv.Quote(a.Login) + ")"
}

func joinNames(names []resource.Name) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}
