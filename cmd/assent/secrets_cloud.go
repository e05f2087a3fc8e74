//go:build cloud

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/logging"
	vault "github.com/hashicorp/vault/api"
	"golang.org/x/oauth2/google"
)

// managers are the managers of secrets by scheme:
//
//	awssecretsmanager://NAME-OR-ARN?region=R#FIELD
//	awsparamstore://NAME?region=R
//	gcpsecretmanager://projects/P/secrets/S/versions/V#FIELD (latest without a version)
//	vault://MOUNT/PATH#FIELD (the path of the API: for KV 2 secret/data/NAME)
//
// Who asks is found as each provider's own programs find it: AWS_… variables,
// profile or role; Google's application default credentials; VAULT_ADDR and
// VAULT_TOKEN.
func managers() map[string]manager {
	return map[string]manager{
		"awssecretsmanager": awsSecret,
		"awsparamstore":     awsParameter,
		"gcpsecretmanager":  gcpSecret,
		"vault":             vaultSecret,
	}
}

func awsConfig(ctx context.Context, from url.Values) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})} // errors say it
	if region := from.Get("region"); region != "" {
		options = append(options, config.WithRegion(region))
	}
	return config.LoadDefaultConfig(ctx, options...)
}

func awsSecret(ctx context.Context, name string, options url.Values) (string, error) {
	cfg, err := awsConfig(ctx, options)
	if err != nil {
		return "", err
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
	if err != nil {
		return "", err
	}
	if out.SecretString != nil {
		return *out.SecretString, nil
	}
	return string(out.SecretBinary), nil
}

func awsParameter(ctx context.Context, name string, options url.Values) (string, error) {
	cfg, err := awsConfig(ctx, options)
	if err != nil {
		return "", err
	}
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(name), WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Parameter.Value), nil
}

// gcpEndpoint is where Secret Manager answers; gcloud's own variable overrides
// it, for a region's endpoint or a private one.
func gcpEndpoint() string {
	if e := os.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"); e != "" {
		return strings.TrimSuffix(e, "/")
	}
	return "https://secretmanager.googleapis.com"
}

var gcpName = regexp.MustCompile(`^projects/([\w:.-]+/secrets/[\w-]+)(/versions/\w+)?$`)

func gcpSecret(ctx context.Context, name string, _ url.Values) (string, error) {
	client, err := google.DefaultClient(ctx, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		return "", err
	}
	parts := gcpName.FindStringSubmatch(name)
	if parts == nil {
		return "", errors.New("want projects/P/secrets/S, and maybe /versions/V behind it")
	}
	if parts[2] == "" {
		name += "/versions/latest"
	}
	//nolint:gosec // the host is the operator's own word, never the repository's
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, gcpEndpoint()+"/v1/"+name+":access", http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Payload struct{ Data string }
		Error   struct{ Status, Message string }
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 2*maxReference))
	if err != nil {
		return "", err
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", fmt.Errorf("answer %s that is no JSON", resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, answer.Error.Message)
	}
	value, err := base64.StdEncoding.DecodeString(answer.Payload.Data)
	if err != nil || len(value) == 0 {
		return "", errors.New("the answer holds no secret")
	}
	return string(value), nil
}

func vaultSecret(ctx context.Context, name string, _ url.Values) (string, error) {
	client, err := vault.NewClient(nil) // nil is the configuration of the environment
	if err != nil {
		return "", err
	}
	got, err := client.Logical().ReadWithContext(ctx, name)
	if err != nil {
		return "", err
	}
	if got == nil || got.Data == nil {
		return "", errors.New("nothing is there")
	}
	data := got.Data
	// KV 2 wraps what was written, beside its metadata.
	if inner, ok := data["data"].(map[string]any); ok && data["metadata"] != nil {
		data = inner
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "", errors.New("it cannot be read as an object")
	}
	return string(text), nil
}
