"""What an Android phone says of itself, and what is asked of it, over adb."""
