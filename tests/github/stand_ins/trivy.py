"""Stands in for aquasecurity/trivy-action: it looked at packages, and found something critical in the base's alone."""

import json
import os
from pathlib import Path

assert (os.environ["WITH_FORMAT"], os.environ["WITH_LIST_ALL_PKGS"]) == ("json", "true")
output = Path(os.environ["WITH_OUTPUT"])
packages = [{"Name": "some", "Version": "1"}]
results = [{"Class": name, "Type": "some", "Packages": packages} for name in ("os-pkgs", "lang-pkgs")]
if output.name == "base.json":
    found = {"VulnerabilityID": "CVE-2026-1", "PkgName": "some", "InstalledVersion": "1", "Severity": "CRITICAL"}
    results[0]["Vulnerabilities"] = [found]
output.write_text(json.dumps({"SchemaVersion": 2, "Results": results}))
