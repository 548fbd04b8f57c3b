"""Who is told of an alert, in which words, and did it arrive?"""
