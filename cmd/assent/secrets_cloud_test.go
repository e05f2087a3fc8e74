//go:build cloud

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/assent-dev/assent/engine/resource"
)

const canary = "s3cret-kept-by-a-manager"

// amazon answers as Secrets Manager and Parameter Store do.
func amazon(t *testing.T) {
	t.Helper()
	signed := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDTEST/\d{8}/eu-west-1/(secretsmanager|ssm)/aws4_request, SignedHeaders=\S*host\S*, Signature=[0-9a-f]{64}$`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ SecretId, Name string }
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &asked) != nil || !signed.MatchString(r.Header.Get("Authorization")) {
			t.Errorf("request %s is not as Amazon wants it: %q", body, r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
		switch target := r.Header.Get("X-Amz-Target"); target + " " + asked.SecretId + asked.Name {
		case "secretsmanager.GetSecretValue warehouse/engine":
			answer(map[string]any{"SecretString": `{"username":"assent","password":"` + canary + `","port":5432}`})
		case "secretsmanager.GetSecretValue arn:aws:secretsmanager:eu-west-1:123456789012:secret:lake-a1B2c3":
			answer(map[string]any{"SecretBinary": base64.StdEncoding.EncodeToString([]byte("assent:" + canary))})
		case "AmazonSSM.GetParameter /prod/warehouse":
			answer(map[string]any{"Parameter": map[string]any{"Value": "assent:" + canary + "\n"}})
		case "secretsmanager.GetSecretValue huge":
			answer(map[string]any{"SecretString": strings.Repeat("x", maxReference+1)})
		default:
			w.WriteHeader(http.StatusBadRequest)
			answer(map[string]any{"__type": "ResourceNotFoundException", "message": "Secrets Manager can't find the specified secret."})
		}
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "unused",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

// google answers as Secret Manager does, to whoever proves to hold the key of
// the service account.
func googleCloud(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_, err := jwt.Parse(r.FormValue("assertion"), func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("engine@p.iam.gserviceaccount.com"), jwt.WithExpirationRequired())
		if err != nil {
			t.Errorf("assertion: %v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"short-lived","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("GET /v1/projects/p/secrets/{secret}/versions/{version}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer short-lived" {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		switch r.PathValue("secret") + " " + r.PathValue("version") {
		case "warehouse latest:access", "warehouse 7:access":
			fmt.Fprintf(w, `{"name":"x","payload":{"data":%q}}`, base64.StdEncoding.EncodeToString([]byte("assent:"+canary)))
		case "torn latest:access":
			fmt.Fprint(w, `{"payload":{"data":"`)
		default:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":403,"status":"versions.access' denied","message":"Permission 'secretmanager.versions.access' denied"}}`)
		}
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "engine@p.iam.gserviceaccount.com", "private_key_id": "1", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	t.Setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", s.URL+"/")
}

// vaultServer answers as Vault does: a KV 2 engine, and a static database role.
func vaultServer(t *testing.T) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "hvs.test" || r.Method != http.MethodGet {
			t.Errorf("%s with token %q", r.Method, r.Header.Get("X-Vault-Token"))
		}
		switch r.URL.Path {
		case "/v1/secret/data/warehouse":
			fmt.Fprintf(w, `{"data":{"data":{"username":"assent","password":%q},"metadata":{"version":3}}}`, canary)
		case "/v1/database/static-creds/engine":
			fmt.Fprintf(w, `{"data":{"username":"assent","password":%q,"rotation_period":86400}}`, canary)
		case "/v1/secret/data/sealed":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["permission denied"]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[]}`)
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("VAULT_ADDR", s.URL)
	t.Setenv("VAULT_TOKEN", "hvs.test")
}

func TestCloudSecrets(t *testing.T) {
	amazon(t)
	googleCloud(t)
	vaultServer(t)
	for _, ref := range []string{
		"awssecretsmanager://warehouse/engine?region=eu-west-1",
		"awssecretsmanager://arn:aws:secretsmanager:eu-west-1:123456789012:secret:lake-a1B2c3?region=eu-west-1",
		"awsparamstore:///prod/warehouse?region=eu-west-1",
		"gcpsecretmanager://projects/p/secrets/warehouse",
		"gcpsecretmanager://projects/p/secrets/warehouse/versions/7",
		"vault://secret/data/warehouse",
		"vault://database/static-creds/engine",
	} {
		c := &resource.Connection{}
		c.Spec.CredentialsFrom = ref
		user, password, err := login(context.Background(), c)
		if err != nil || user != "assent" || password != canary {
			t.Errorf("%s: %q, %q, %v", ref, user, password, err)
		}
	}
	for _, ref := range []string{"awssecretsmanager://warehouse/engine?region=eu-west-1#password", "vault://secret/data/warehouse#password"} {
		if got, err := reference(context.Background(), "credentialsFrom", ref, true); err != nil || got != canary {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
	}
}

func TestCloudSecretErrors(t *testing.T) {
	amazon(t)
	googleCloud(t)
	vaultServer(t)
	for ref, want := range map[string]string{
		"awssecretsmanager://nowhere?region=eu-west-1":               "ResourceNotFoundException",
		"awssecretsmanager://huge?region=eu-west-1":                  "larger than",
		"awssecretsmanager://warehouse/engine?region=eu-west-1#user": "no text in field user",
		"awssecretsmanager://warehouse/engine?region=eu-west-1#port": "no text in field port",
		"awsparamstore:///prod/warehouse?region=eu-west-1#password":  "no JSON object",
		"gcpsecretmanager://projects/p/secrets/other":                "versions.access' denied",
		"gcpsecretmanager://projects/p/../secrets/warehouse":         "want projects/P/secrets/S",
		"gcpsecretmanager://projects/p/secrets/torn":                 "no JSON",
		"vault://secret/data/sealed":                                 "permission denied",
		"vault://secret/data/nothing":                                "nothing is there",
		"azurekeyvault://vault/secret":                               "want env://NAME, file:///path, awsparamstore://",
	} {
		got, err := reference(context.Background(), "credentialsFrom", ref, true)
		if err == nil || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("%s: %q, %v; want %q", ref, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the secret is in the error: %v", ref, err)
		}
	}
}
