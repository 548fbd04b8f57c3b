"""Who is at the page, and how do they prove it? Passwords, sign-ins, a first start, and identity providers."""
