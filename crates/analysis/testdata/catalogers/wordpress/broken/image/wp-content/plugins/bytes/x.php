<?php
/*
Plugin Name: яю
Version: я
*/