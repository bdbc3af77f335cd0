"""Accounts of the trial's own: for what needs a mail, an authenticator or an account that may end."""

import base64
import email
import hashlib
import hmac
import itertools
import os
import pathlib
import re
import struct
import time

import requests

API = os.environ.get("ALPINE_BASE", "") + "/api/v1/"
OUTBOX = pathlib.Path(os.environ.get("ALPINE_OUTBOX", "."))
PASSWORD = "four old boats on a beach"
NEW_PASSWORD = "three white birds above"
NUMBERS = itertools.count()


class Account:
    """Somebody who has just signed up."""

    def __init__(self):
        self.email = f"trial-{os.getpid()}-{next(NUMBERS)}-{time.time_ns()}@example.com"
        body = {"email": self.email, "password": PASSWORD, "full_name": "Trial"}
        answer = self.post("auth/signup", body)
        self.token, self.id = answer["access_token"], answer["user"]["id"]

    def post(self, path, body):
        headers = {"Authorization": f"Bearer {self.token}"} if hasattr(self, "token") else {}
        answer = requests.post(API + path, json=body, headers=headers, timeout=15)
        answer.raise_for_status()
        return answer.json()

    def mailed(self, subject):
        """The token in the newest letter with this subject; a job sends it right after the answer."""
        for _ in range(100):
            for path in sorted(OUTBOX.glob("*.eml"), reverse=True):
                with path.open() as file:
                    mail = email.message_from_file(file)
                if mail["To"] == self.email and subject in mail["Subject"]:
                    text = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
                    return re.search("[0-9a-f]{64}", text.get_payload(decode=True).decode()).group()
            time.sleep(0.05)
        raise AssertionError(f"no mail about {subject}")

    def with_confirmed_address(self):
        self.post("auth/verify-email", {"token": self.mailed("Confirm your address")})
        return self

    def set_up(self):
        """A secret, and the code that an authenticator would show for it (RFC 6238)."""
        setup = self.post("2fa/setup", {})
        secret = base64.b32decode(setup["secret"] + "=" * (-len(setup["secret"]) % 8))
        mac = hmac.new(secret, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
        at = mac[-1] & 15
        number = struct.unpack(">I", mac[at : at + 4])[0] & 0x7FFFFFFF
        self.backup_codes = setup["backup_codes"]
        return f"{number % 1_000_000:06}"

    def told(self):
        """The id of a notification: the password is another one, which ends the session."""
        body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.put(API + "users/password", json=body, headers=headers, timeout=15)
        answer.raise_for_status()
        self.token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {self.token}"}
        listed = requests.get(API + "notifications", headers=headers, timeout=15)
        return listed.json()["items"][0]["id"]

    def paying(self):
        """Pays where payments are played; elsewhere nobody takes any."""
        headers = {"Authorization": f"Bearer {self.token}"}
        begun = requests.post(API + "subscriptions/upgrade", json={"tier": "starter"}, headers=headers, timeout=15)
        if begun.status_code == 200:
            page = begun.json()["checkout_url"].split("/api/v1/")[1]
            requests.post(API + page + "/pay", timeout=15, allow_redirects=False).raise_for_status()

    def with_factor(self):
        self.post("2fa/enable", {"password": PASSWORD, "token": self.set_up()})
        return self


# What the account asks for with success, by operation: its own token is sent where one is needed.


def sign_up(account):
    return {"email": "another-" + account.email, "password": PASSWORD, "full_name": "Trial"}


def verify_email(account):
    return {"token": account.mailed("Confirm your address")}


def reset_password(account):
    account.post("auth/forgot-password", {"email": account.email})
    return {"token": account.mailed("Another password"), "password": NEW_PASSWORD}


def change_password(account):
    return {"current_password": PASSWORD, "new_password": NEW_PASSWORD}


def verify_sign_in(account):
    account.with_factor()
    begun = account.post("auth/login", {"email": account.email, "password": PASSWORD})
    return {"mfa_token": begun["mfa_token"], "token": account.backup_codes[0]}


def enable_factor(account):
    return {"password": PASSWORD, "token": account.set_up()}


def verify_factor(account):
    return {"token": account.with_factor().backup_codes[0]}


def disable_factor(account):
    return {"password": PASSWORD, "token": account.with_factor().backup_codes[0]}


def delete_account(account):
    return {"password": PASSWORD}


def sign_in_by_link(account):
    account.post("auth/sign-in-link", {"email": account.email})
    return {"token": account.mailed("Sign in to Alpine")}


def upgrade(account):
    return {"tier": "pro", "interval": "month"}


def pay(account):
    account.paying()


def assign_role(account):
    return {"user_id": account.with_confirmed_address().id, "role": "admin"}


def remove_role(account):
    return {"user_id": account.id, "role": "admin"}


BODIES = {
    "sign_up": sign_up,
    "verify_email": verify_email,
    "reset_password": reset_password,
    "change_password": change_password,
    "verify_sign_in": verify_sign_in,
    "enable_factor": enable_factor,
    "verify_factor": verify_factor,
    "renew_backup_codes": disable_factor,
    "disable_factor": disable_factor,
    "delete_account": delete_account,
    "sign_in_by_link": sign_in_by_link,
    "upgrade": upgrade,
    "cancel_subscription": pay,
    "resume_subscription": pay,
    "open_portal": pay,
    "assign_role": assign_role,
    "remove_role": remove_role,
}

# Asked as the account that is tried, an administrator for instance.
AS_THE_CALLER = {"assign_role", "remove_role"}

# Asked about a user of the trial's own.
OF_A_USER = {"find_user", "change_user"}

# Asked about a notification of an account of the trial's own.
OF_A_NOTIFICATION = {"delete_notification"}

# Asked about a signal that the caller sees.
OF_A_SIGNAL = {"find_signal", "verify_signal"}

# Asked of a producer of the trial's own: the other one pushes signals meanwhile.
OF_A_PRODUCER = {"rotate_producer_key", "enable_producer", "disable_producer"}


def new_producer(credential):
    """The id of a producer that the caller, an administrator, makes; none for others."""
    body = {"name": f"trial-{os.getpid()}-{next(NUMBERS)}"}
    answer = requests.post(API + "admin/producers", json=body, headers={"Authorization": credential}, timeout=15)
    return str(answer.json()["id"]) if answer.status_code == 201 else None


def newest_signal(credential):
    """The id of the newest signal that the caller sees, if there is one."""
    answer = requests.get(API + "signals/latest?limit=1", headers={"Authorization": credential}, timeout=15)
    signals = answer.json() if answer.status_code == 200 else []
    return signals[0]["id"] if signals else None
